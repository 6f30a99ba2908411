"""``python -m veneer`` is ``kedro``, also where the script is not on the path."""

from veneer.startup import kedro

if __name__ == "__main__":
    kedro()
