"""From a resolved market to cash: what is due, the transactions that fetch it, their proof."""
