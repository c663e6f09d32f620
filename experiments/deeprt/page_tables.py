"""Numbers over seeds and tables in Markdown."""
import statistics


def mean(values):
    return statistics.fmean(values) if values else 0.0


def middle_range(values):
    """The range that holds the middle 80 % of the seeds."""
    ordered = sorted(values)
    if not ordered:
        return 0.0, 0.0
    at = lambda share: ordered[round(share * (len(ordered) - 1))]
    return at(0.1), at(0.9)


def spread(values, digits=1):
    low, high = middle_range(values)
    return f"{mean(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def column(columns, label):
    return next(c for c in columns if c["label"] == label)
