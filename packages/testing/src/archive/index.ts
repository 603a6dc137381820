export { type BigArchiveOptions, bigArchive } from './big-archive.js'
export { bzip2 } from './bzip2.js'
export { type Compression, collect, compress } from './compress.js'
export { type TarEntry, tar, tarHeader } from './tar.js'
