"""Who somebody is, for whoever asks: names in certificates and what is made of them, tokens of identity providers.

Knows no protocol, and nothing of rights.
"""
