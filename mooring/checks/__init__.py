"""What `mooring check` asks, one subject a module; results.py has the form of questions and answers, runner.py all of them."""
