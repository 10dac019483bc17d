"""From an approved intent to a venue and back: signed, stored, sent once, followed, taken back."""
