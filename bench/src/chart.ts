// Small line charts as one SVG picture, made of nothing but the figures.

export interface Curve {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[]
}

const WIDTH = 420
const HEIGHT = 280
const LEFT = 64
const TOP = 36
const PLOT = { width: WIDTH - LEFT - 24, height: HEIGHT - TOP - 48 }
const COLOURS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd']

/** The charts side by side; both axes of each are logarithmic, so equal growth is a straight line at 45 degrees. */
export function toSvg(curves: readonly Curve[]): string {
  const panels = curves.map((curve, at) => `<g transform="translate(${at * WIDTH} 0)">${panel(curve)}</g>`)
  const size = `width="${curves.length * WIDTH}" height="${HEIGHT}"`
  const style = 'font-family="sans-serif" font-size="11"'
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}><title>How the cost grows with reports, tasks and queues</title><rect ${size} fill="#fff"/>${panels.join('\n')}</svg>\n`
}

function panel({ title, xLabel, yLabel, lines }: Curve): string {
  const points = lines.flatMap(line => line.points)
  const x = scale(points.map(([value]) => value))
  const y = scale(points.map(([, value]) => value))
  const place = ([px, py]: readonly [number, number]) =>
    [LEFT + x.at(px) * PLOT.width, TOP + (1 - y.at(py)) * PLOT.height] as const
  const drawn = lines.map((line, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? '#000'
    const spots = line.points.map(place)
    const path = spots.map(spot => spot.map(Math.round).join(',')).join(' ')
    const [lastX = 0, lastY = 0] = spots.at(-1) ?? []
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>
${spots.map(([cx, cy]) => `<circle cx="${Math.round(cx)}" cy="${Math.round(cy)}" r="3" fill="${colour}"/>`).join('')}
<text x="${Math.round(lastX) - 4}" y="${Math.round(lastY) - 7}" text-anchor="end" fill="${colour}">${escapeText(line.name)}</text>`
  })
  return `<text x="${LEFT}" y="18" font-size="13" font-weight="bold">${escapeText(title)}</text>
${x.ticks.map(tick => tickX(tick, place([tick, y.low])[0])).join('\n')}
${y.ticks.map(tick => tickY(tick, place([x.low, tick])[1])).join('\n')}
${drawn.join('\n')}
<text x="${LEFT + PLOT.width / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escapeText(xLabel)}</text>
<text transform="translate(14 ${TOP + PLOT.height / 2}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text>`
}

function tickX(value: number, x: number): string {
  const at = Math.round(x)
  return `<path d="M${at} ${TOP}V${TOP + PLOT.height}" stroke="#ddd"/><text x="${at}" y="${TOP + PLOT.height + 16}" text-anchor="middle">${label(value)}</text>`
}

function tickY(value: number, y: number): string {
  const at = Math.round(y)
  return `<path d="M${LEFT} ${at}H${LEFT + PLOT.width}" stroke="#ddd"/><text x="${LEFT - 6}" y="${at + 4}" text-anchor="end">${label(value)}</text>`
}

function scale(values: readonly number[]) {
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)))
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values) * 1.001))
  const decades = Math.round(Math.log10(high / low))
  return {
    low,
    ticks: Array.from({ length: decades + 1 }, (_, index) => low * 10 ** index),
    at: (value: number) => Math.log10(value / low) / decades,
  }
}

function label(value: number): string {
  return value >= 1000 ? `${Number((value / 1000).toPrecision(3))}k` : String(Number(value.toPrecision(3)))
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}
