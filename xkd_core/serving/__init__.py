"""What pages ask for, as plain frozen values: runs, images with their maps, stories, galleries, curves, downloads.

No streamlit in here, and torch only inside the functions that explain. Nothing is cached but what is passed in.
"""
