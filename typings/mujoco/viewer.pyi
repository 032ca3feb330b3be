# MuJoCo's compiled module ships no types; this says so instead of reporting every name as missing.
from typing import Any

def __getattr__(name: str) -> Any: ...
