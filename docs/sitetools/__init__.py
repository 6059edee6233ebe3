"""What `docs/build.py` and `docs/conf.py` share: the site and `README.md`, made from the notebooks."""
