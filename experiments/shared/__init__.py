"""What several studies use: data and noise, accounts of scores, runs on a circuit, figures."""
