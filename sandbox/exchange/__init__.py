"""The stand-in venue as an exchange: accounts, orders, a matching engine, settlement."""
