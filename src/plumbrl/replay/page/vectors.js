const add = (a, b, s = 1) => [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const length = (a) => Math.hypot(...a);
const unit = (a) => { const n = length(a) || 1; return [a[0] / n, a[1] / n, a[2] / n]; };

// Quaternions are w, x, y, z, as in MuJoCo.
const turned = (q, v) => {
  const u = [q[1], q[2], q[3]], t = cross(u, v), s = add(t, v, q[0]);
  return add(v, cross(u, s), 2);
};
const times = (a, b) => [
  a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
  a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
  a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
  a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
];
// Straight between two rotations, by the shorter way: over a sixtieth of a second that is exact enough.
const between = (a, b, share) => {
  const sign = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] < 0 ? -1 : 1;
  const q = a.map((x, i) => x + share * (sign * b[i] - x));
  const n = Math.hypot(...q) || 1;
  return q.map((x) => x / n);
};

// Matrices are 4 x 4, column by column, as in WebGL.
const product = (a, b) => {
  const out = new Float32Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++) {
    for (let k = 0; k < 4; k++) out[4 * c + r] += a[4 * k + r] * b[4 * c + k];
  }
  return out;
};
const lookAt = (eye, target, up) => {
  const z = unit(add(eye, target, -1)), x = unit(cross(up, z)), y = cross(z, x);
  return new Float32Array([
    x[0], y[0], z[0], 0, x[1], y[1], z[1], 0, x[2], y[2], z[2], 0,
    -dot(x, eye), -dot(y, eye), -dot(z, eye), 1,
  ]);
};
const perspective = (fovy, aspect, near, far) => {
  const f = 1 / Math.tan(fovy / 2), out = new Float32Array(16);
  out[0] = f / aspect; out[5] = f; out[11] = -1;
  out[10] = (far + near) / (near - far); out[14] = 2 * far * near / (near - far);
  return out;
};
const orthographic = (half, near, far) => {
  const out = new Float32Array(16);
  out[0] = out[5] = 1 / half; out[10] = 2 / (near - far); out[14] = (far + near) / (near - far); out[15] = 1;
  return out;
};
