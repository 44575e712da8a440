"""Every .ipynb of the course, generated from text.

    python -m tools.notebooks            write what has changed
    python -m tools.notebooks 02-vae     only the notebooks of that name
    python -m tools.notebooks --check    write nothing; fail with a list when something would change

`notebooks/NN-name.md` gives `notebooks/NN-name.ipynb`; `solutions/NN-name.md` gives
`solutions/NN-name.ipynb` and, with stubs for its answers, `exercises/NN-name.ipynb`. The Markdown
in them is plain: what the book says with directives and roles arrives as text that Jupyter and
Colab show well. The cells have run, and their text outputs are stored; pictures are not.

`project` knows addresses, numbers and labels; `markdown` translates the dialect; `build` makes the
notebooks; `execute` runs them.
"""
