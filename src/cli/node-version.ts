/** Why this Node cannot run us; null = it can. The same as `engines` in package.json, for whoever installed us over its warning. */
export function tooOld(version: string): string | null {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 19)) return null;
  return `Signalbox needs Node.js 22.19 or newer, and this is ${version}.`;
}
