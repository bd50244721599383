"""What `mooring check` asks, one subject a module; outcome.py has the form of questions and answers, everything.py all of them."""
