"""Centralised exchanges: what is public of their books, and what that lets one estimate of liquidations.

Venues hide positions. What is here is an estimate with its coverage, unlike everything else in this package.
"""
