/**
 * `node:http` by the way that costs nothing. To `import` it is to read each of its exports, and two of them load the
 * implementation of fetch inside Node: 11 MB and 20 ms for something nobody here uses. A function, because not every thread
 * wants it.
 */
export const nodeHttp = () => process.getBuiltinModule("node:http");
