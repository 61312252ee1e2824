"""What tests of the API and its workers share of processes and the database."""

from collections.abc import Callable
from typing import Any

from pymongo.database import Database as PyMongoDatabase
from tests.processes import ServiceProcess

SEALING_KEY = "s" * 40
Documents = PyMongoDatabase[dict[str, Any]]
"""The database that the processes share, as tests look into it."""
NewProcess = Callable[..., ServiceProcess]
"""Starts an entry point of the API; takes its name and its settings in lower case."""
