"""python -m thermohw is the `thermohw` command."""

from thermohw.cli import main

if __name__ == "__main__":
    main()
