from pages._ui import guard
guard.page("pages/compression.py")
