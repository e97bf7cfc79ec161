"""The web page of `geoseg serve`: Gradio in the front, :mod:`geoseg.api` behind it.

A browser reaches a scene only through these, each in a file of its own::

    browser --> guard.py      Host, Origin, paths, sizes: what may be asked at all (answers.py: how)
                calls.py      what the controls send
                uploads.py    files on their way in
                page.py       the layout, and what each control does
                workspace.py  one visitor's files, under a random name
                jobs.py       a child process with limits for every step that opens a file
                steps.py      what that process does: look, find, trace, score, draw
"""
