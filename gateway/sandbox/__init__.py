"""Five stateful upstream servers for the demo and the tests, and the runner of the embedded S3 server.

Each kind is a package of its own: ``state.py`` holds records and rules, ``app.py`` the routes as the real
server answers them, ``seed.py`` the data set of the demo.
"""
