// Shapes of unit size: points and normals in threes, and triangles by their corners' numbers.
const grid = (rows, cols, at) => {
  const points = [], normals = [], corners = [];
  for (let i = 0; i <= rows; i++) for (let j = 0; j <= cols; j++) {
    const [point, normal] = at(i / rows, j / cols);
    points.push(...point); normals.push(...normal);
    if (i < rows && j < cols) {
      const a = i * (cols + 1) + j, b = a + cols + 1;
      corners.push(a, b, a + 1, a + 1, b, b + 1);
    }
  }
  return { points, normals, corners };
};

const sphere = () => grid(24, 36, (u, v) => {
  const a = Math.PI * u, b = 2 * Math.PI * v;
  const n = [Math.sin(a) * Math.cos(b), Math.sin(a) * Math.sin(b), Math.cos(a)];
  return [n, n];
});

const tube = () => grid(1, 40, (u, v) => {
  const b = 2 * Math.PI * v, n = [Math.cos(b), Math.sin(b), 0];
  return [[n[0], n[1], 1 - 2 * u], n];
});

const disc = () => grid(1, 40, (u, v) => {
  const b = 2 * Math.PI * v;
  return [[u * Math.cos(b), u * Math.sin(b), 0], [0, 0, 1]];
});

const square = () => grid(1, 1, (u, v) => [[2 * v - 1, 1 - 2 * u, 0], [0, 0, 1]]);

const box = () => {
  const out = { points: [], normals: [], corners: [] };
  for (let axis = 0; axis < 3; axis++) for (const side of [-1, 1]) {
    const first = out.points.length / 3;
    for (const [u, v] of [[-1, -1], [1, -1], [1, 1], [-1, 1]]) {
      const point = [0, 0, 0], normal = [0, 0, 0];
      point[axis] = normal[axis] = side;
      point[(axis + 1) % 3] = u; point[(axis + 2) % 3] = v;
      out.points.push(...point); out.normals.push(...normal);
    }
    out.corners.push(first, first + 1, first + 2, first, first + 2, first + 3);
  }
  return out;
};

// Triangles with corners of their own: every face is flat.
const soup = (points) => {
  const normals = new Float32Array(points.length);
  for (let i = 0; i < points.length; i += 9) {
    const [a, b, c] = [0, 3, 6].map((k) => Array.from(points.subarray(i + k, i + k + 3)));
    const normal = unit(cross(add(b, a, -1), add(c, a, -1)));
    for (const k of [0, 3, 6]) normals.set(normal, i + k);
  }
  return { points, normals, corners: Uint32Array.from({ length: points.length / 3 }, (_, i) => i) };
};

const field = ({ rows, cols, cell: [dx, dy], corner, low, high, heights }) => {
  const raw = new Uint16Array(bytes(heights).buffer);
  const height = (i, j) => low + (high - low) * raw[Math.min(Math.max(i, 0), rows - 1) * cols + Math.min(Math.max(j, 0), cols - 1)] / 65535;
  const points = new Float32Array(3 * rows * cols), normals = new Float32Array(3 * rows * cols);
  const corners = new Uint32Array(6 * (rows - 1) * (cols - 1));
  let k = 0;
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) {
    const a = i * cols + j;
    points.set([corner[0] + j * dx, corner[1] + i * dy, height(i, j)], 3 * a);
    normals.set(unit([(height(i, j - 1) - height(i, j + 1)) / (2 * dx), (height(i - 1, j) - height(i + 1, j)) / (2 * dy), 1]), 3 * a);
    if (i < rows - 1 && j < cols - 1) {
      corners.set([a, a + 1, a + cols + 1, a, a + cols + 1, a + cols], k);
      k += 6;
    }
  }
  return { points, normals, corners };
};

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);
