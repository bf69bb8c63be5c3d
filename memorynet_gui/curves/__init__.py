"""The curves of training runs: series, stores, charts and the board that shows them."""
