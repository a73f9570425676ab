# SPDX-License-Identifier: BSD-3-Clause
"""The lines that check-host prints."""


class Report:
    def __init__(self, out):
        self.out = out
        self.lacking = self.unknown_lines = 0

    def _line(self, state, what, text):
        print(f"{state:<12} {what}: {text}", file=self.out)

    def ok(self, what, text):
        self._line("ok", what, text)

    def lacks(self, what, text, *commands):
        """Something is missing; the commands mend it."""
        self.lacking += 1
        self._line("LACKS", what, text)
        for c in commands:
            print(f"{'':<12}   {c}", file=self.out)

    def unknown(self, what, why):
        self.unknown_lines += 1
        self._line("cannot tell", what, why)
