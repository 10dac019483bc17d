"""The process that signs: its rounds, the venue's dead-man switch, and when it may send at all.

Nothing in here imports a key or a client; the command `live_guard` opens both and hands them in.
"""
