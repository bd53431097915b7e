"""The Common Expression Language, as the validation rules of CRDs use it.

`compile_expression` checks a text once and returns a `Program`; running it is plain Python. Its values are Python's own
(int, float, bool, str, bytes, list, dict, datetime, timedelta, None), with `values.UInt` and a few Kubernetes types
beside them. Not here: protobuf messages, static types beyond declared names and functions, optional libraries no rule
of a CRD may use.
"""

from kopfka_local.api.cel.program import Program, compile_expression
from kopfka_local.api.cel.values import CelError

__all__ = ["CelError", "Program", "compile_expression"]
