export { type BigArchiveOptions, bigArchive } from './big-archive.js'
export { type Compression, collect, compress } from './compress.js'
export { type TarEntry, tar, tarHeader } from './tar.js'
export { type ZipEntry, type ZipOptions, zip } from './zip.js'
