"""The tick of uncoupled nodes with every default account, compiled."""
