"""A stateful Maarch Courrier 2301 for the demo and the tests (upstreams.md section 1).

``php.py`` and ``formats.py`` imitate the platform under it, ``contents.py`` and ``samples.py`` hold files,
``tokens.py`` makes its JSON web tokens. ``records.py`` and ``state.py`` are the mail room, ``checks.py`` refuses
bodies, ``views.py`` writes attachments out. ``calls.py``, ``login.py``, ``attachments.py``, ``downloads.py`` and
``app.py`` are the routes, and ``seed.py`` has the demo's mails.
"""
