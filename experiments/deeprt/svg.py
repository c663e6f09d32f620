"""Small charts as SVG text: grouped bars and lines. Fixed output for fixed input; no dependencies."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 34, 40, 78
COLOURS = ["#1f5fa8", "#d1662b", "#3c8c4a", "#8a5aa8", "#b03a48", "#5f6b76", "#b08a1e", "#2a8f95"]
OF_POLICY = {"DeepRT": COLOURS[0], "BATCH": COLOURS[1], "BATCH-Delay": COLOURS[2], "AIMD": COLOURS[3],
             "AIMD that waits": COLOURS[4], "SEDF": COLOURS[5], "laxity": COLOURS[7]}


def number(value):
    """Short, without trailing zeros."""
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    if "e" in text:
        text = f"{value:.0f}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else text


def colour(label, index):
    """A policy has the same colour in every chart: "laxity (own admission)" that of laxity."""
    return OF_POLICY.get(label.split(" (")[0].split(",")[0], COLOURS[index % len(COLOURS)])


def dashes(label):
    """What is published is dashed."""
    return label.endswith("paper")


def nice_steps(low, high, count=6):
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / count))
    for factor in (1, 2, 5, 10):
        if span / (step * factor) <= count:
            step *= factor
            break
    first = math.ceil(low / step) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


class Chart:
    def __init__(self, title, x_label, y_label):
        self.parts = []
        self.title, self.x_label, self.y_label = title, x_label, y_label

    def line(self, x1, y1, x2, y2, colour="#ccc", width=1, dash=None):
        extra = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"{extra}/>')

    def text(self, x, y, text, anchor="middle", size=12, rotate=None):
        turn = f' transform="rotate({rotate} {x:.1f} {y:.1f})"' if rotate is not None else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{turn}>'
                          f"{escape(text)}</text>")

    def legend(self, labels):
        x, y = LEFT, HEIGHT - 12
        for i, label in enumerate(labels):
            width = 30 + 6.2 * len(label)
            if x + width > WIDTH:
                x, y = LEFT, y - 16
            if dashes(label):
                self.line(x - 4, y - 4, x + 11, y - 4, colour(label, i), width=2, dash="6 3")
            else:
                self.parts.append(f'<rect x="{x:.1f}" y="{y - 9}" width="10" height="10" '
                                  f'fill="{colour(label, i)}"/>')
            self.text(x + 14, y, label, anchor="start", size=11)
            x += width

    def svg(self):
        self.text(WIDTH / 2, 20, self.title, size=14)
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 34, self.x_label, size=12)
        self.text(16, (TOP + HEIGHT - BOTTOM) / 2, self.y_label, size=12, rotate=-90)
        body = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
                f'font-family="sans-serif" fill="#222">\n'
                f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n')


def bars(title, groups, series, y_label, x_label=""):
    """`series`: (label, values, lows or None, highs or None, marks or None), one value a group. Marks are
    drawn as black lines: the published values. A value of zero shows as a sliver."""
    chart = Chart(title, x_label, y_label)
    tops = [v for _, values, _, highs, marks in series
            for part in (values, highs, marks) if part for v in part if v is not None]
    high = max(tops + [1e-9]) * 1.08
    y = lambda v: HEIGHT - BOTTOM - (v / high) * (HEIGHT - TOP - BOTTOM)
    for tick in nice_steps(0, high):
        chart.line(LEFT, y(tick), WIDTH - RIGHT, y(tick))
        chart.text(LEFT - 6, y(tick) + 4, number(tick), anchor="end", size=11)
    group_width = (WIDTH - LEFT - RIGHT) / len(groups)
    bar_width = group_width * 0.84 / len(series)
    for g, group in enumerate(groups):
        start = LEFT + g * group_width + group_width * 0.08
        chart.text(start + group_width * 0.42, HEIGHT - BOTTOM + 16, group, size=12)
        for i, (label, values, lows, highs, marks) in enumerate(series):
            x = start + i * bar_width
            top = min(y(values[g]), y(0) - 2)
            chart.parts.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar_width * 0.9:.1f}" '
                f'height="{y(0) - top:.1f}" fill="{colour(label, i)}"/>')
            middle = x + bar_width * 0.45
            if lows and highs:
                chart.line(middle, y(lows[g]), middle, y(highs[g]), colour="#777", width=1)
            if marks and marks[g] is not None:
                chart.line(x - 1, y(marks[g]), x + bar_width * 0.9 + 1, y(marks[g]), colour="#000", width=2.5)
    chart.line(LEFT, y(0), WIDTH - RIGHT, y(0), colour="#444")
    chart.legend([label for label, *_ in series])
    return chart.svg()


def lines(title, series, x_label, y_label, log=False, x_max=None, y_max=None):
    """`series`: (label, [(x, y), …]). `log`: both axes logarithmic; points must be above zero. `x_max`: what
    lies beyond is cut off; `y_max`: the axis reaches so high at least."""
    chart = Chart(title, x_label, y_label)
    scale = math.log10 if log else (lambda v: v)
    points = [(scale(x), scale(y)) for _, pairs in series for x, y in pairs if not log or (x > 0 and y > 0)]
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(y for _, y in points), max(y for _, y in points)
    if not log:
        x_low, y_low = min(0, x_low), min(0, y_low)
    if x_max is not None:
        x_high = min(x_high, x_max)
    if y_max is not None:
        y_high = max(y_high, scale(y_max))
    x_high, y_high = max(x_high, x_low + 1e-9), max(y_high, y_low + 1e-9)
    x_of = lambda v: LEFT + (min(v, x_high) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
    y_of = lambda v: HEIGHT - BOTTOM - (v - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
    show = (lambda v: number(10 ** v)) if log else number
    ticks = lambda low, high: range(math.ceil(low), math.floor(high) + 1) if log else nice_steps(low, high)
    for tick in ticks(y_low, y_high):
        chart.line(LEFT, y_of(tick), WIDTH - RIGHT, y_of(tick))
        chart.text(LEFT - 6, y_of(tick) + 4, show(tick), anchor="end", size=11)
    for tick in ticks(x_low, x_high):
        chart.line(x_of(tick), HEIGHT - BOTTOM, x_of(tick), HEIGHT - BOTTOM + 4, colour="#444")
        chart.text(x_of(tick), HEIGHT - BOTTOM + 16, show(tick), size=11)
    for i, (label, pairs) in enumerate(series):
        kept = [(scale(x), scale(y)) for x, y in pairs if not log or (x > 0 and y > 0)]
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in kept if x_max is None or x <= x_high)
        extra = ' stroke-dasharray="6 4"' if dashes(label) else ""
        chart.parts.append(f'<polyline points="{path}" fill="none" '
                           f'stroke="{colour(label, i)}" stroke-width="2"{extra}/>')
    chart.line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, colour="#444")
    chart.line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, colour="#444")
    chart.legend([label for label, _ in series])
    return chart.svg()
