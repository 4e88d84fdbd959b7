package load

// manyLoopbacks says that all of 127.0.0.0/8 is this machine's.
const manyLoopbacks = true
