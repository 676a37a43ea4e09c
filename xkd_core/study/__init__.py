"""User study of XKD Explorer: plan, store, analysis, simulation, export."""
