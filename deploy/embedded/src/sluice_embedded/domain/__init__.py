"""Pure parts: which services there are, where they listen, when they are started again."""
