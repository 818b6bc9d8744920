"""From feeds to drivers: which integers really move the prices of a market, and how.

adapters  what each known price contract computes     resolve  ask the contracts, build the price graph
drivers   the graph's inputs by name, and groups      dag      the same as a networkx graph
"""
