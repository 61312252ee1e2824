"""The offline tool's window (Tk)."""
