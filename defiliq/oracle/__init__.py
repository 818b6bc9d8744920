"""From feeds to drivers: which integers really move the prices of a market, and how.

contracts   a price contract as it answered            survey      ask contracts what they are
kinds       what a known one is known by               compose     what they answered, as a price graph
adapters*   what each known one computes               resolve     both: from sources to the graph
sheet       the graph while it is written              names       what its integers are called
heartbeats  how often aggregators promise to answer    drivers     the graph's inputs by name, and groups
dag         the graph as networkx sees it
"""
