"""Who asks, and what they may do: TLS, logins, roles, and clients that mean harm.

Routes and services know nothing of it: `guard` stands between them, `middleware` before them.
"""
