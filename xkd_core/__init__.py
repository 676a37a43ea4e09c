"""XKD: did a compressed network keep its teacher's reasons, or only its answers?

Importing this package imports neither torch nor streamlit; each module pulls in what it needs.
"""

__version__ = "0.1.0"
