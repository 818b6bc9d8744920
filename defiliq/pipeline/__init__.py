"""The public sentences that the command line and the library share.

listings  which markets there are            reading   node -> book
judge     book -> health, levels, ladder     position  one owner explained
verify    ask the contract itself            snapshot  book <-> file
"""
