"""Networks with an explicit seam (`features`, `head`) and the runs they are stored in."""
