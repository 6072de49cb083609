"""Makes functions that die once they have been called: their code objects follow each other at the same addresses."""
import sys


def call(function):
    return function()


def make(number, kept):
    lines = "\n" * (number % 50)
    source = f"{lines}def made_{number}():\n    return bytes({100000 + number})\nkept.append(call(made_{number}))\n"
    exec(compile(source, f"/made/{number % 3}.py", "exec"), {"kept": kept, "call": call})


def main():
    kept, addresses = [], set()
    for number in range(400):
        make(number, kept)
        held = compile(f"{number}", "<held>", "eval")  # may lie where the last function's code did
        addresses.add(id(held))
        del held
    print(len(kept), len(addresses) < 50)


if __name__ == "__main__":
    sys.exit(main())
