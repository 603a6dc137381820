// Preloaded into every service: its wall clock jumps an hour forward at SIGUSR2 and back at SIGWINCH.

function install(real: DateConstructor): void {
  const realNow = real.now.bind(real)
  const jump = (by: number) => {
    const before = globalThis.Date.now() - realNow()
    const now = () => realNow() + before + by
    globalThis.Date = new Proxy(real, {
      get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
      construct: (target, args) => Reflect.construct(target, args.length === 0 ? [now()] : args),
    })
    process.stdout.write(`${JSON.stringify({ level: 'info', msg: `the clock has jumped by ${by / 1000} s` })}\n`)
  }
  process.on('SIGUSR2', () => jump(3_600_000))
  process.on('SIGWINCH', () => jump(-3_600_000))
}

install(globalThis.Date)
