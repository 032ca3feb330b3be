const HFIELD = 1, SHADOW = 1024, PITCH_MOST = 1.5;
const SUN = unit([0.55, -0.75, 1.15]);
const ENDLESS = 60;

// Draws an episode's bodies at any time; `camera` may be changed between two drawings.
const makeScene = (canvas, told, step) => {
  const gl = canvas.getContext("webgl2", { antialias: true });
  if (!gl) return null;
  const shapes = {};
  const positions = floats(told.positions), rotations = floats(told.rotations);
  const solid = program(gl, VERTEX, FRAGMENT), dark = program(gl, VERTEX, DEPTH);
  const shadow = shadowMap(gl);
  const parts = told.geoms.flatMap((geom) => partsOf(geom, told));
  const shape = (part) => (shapes[part.shape] ??= upload(gl, part.make()));
  const sizes = told.geoms.filter((g) => g.body > 0).map((g) => length(g.place) + Math.max(...reachOf(g)));

  const poseAt = (time, body) => {
    const { at, bodies } = told;
    const now = time / step;
    let row = at.findLastIndex((s) => s <= now);
    row = Math.min(Math.max(row, 0), Math.max(at.length - 2, 0));
    const next = Math.min(row + 1, at.length - 1);
    const share = next > row ? Math.min(Math.max((now - at[row]) / (at[next] - at[row]), 0), 1) : 0;
    const read = (all, n, r) => Array.from(all.subarray((r * bodies + body) * n, (r * bodies + body + 1) * n));
    const [a, b] = [read(positions, 3, row), read(positions, 3, next)];
    return [add(a, add(b, a, -1), share), between(read(rotations, 4, row), read(rotations, 4, next), share)];
  };

  const middle = (time) => {
    const moving = told.followed >= 0 ? [told.followed] : [...Array(told.bodies).keys()].slice(1);
    if (!moving.length) return [0, 0, 0];
    return moving.map((b) => poseAt(time, b)[0]).reduce((a, b) => add(a, b, 1 / moving.length), [0, 0, 0]);
  };
  const spread = () => {
    const centre = middle(0);
    const reach = told.geoms.filter((g) => g.body > 0)
      .map((g, i) => length(add(poseAt(0, g.body)[0], centre, -1)) + sizes[i]);
    return Math.max(...reach, 0.05);
  };
  const size = spread();
  const home = () => ({ yaw: -2.2, pitch: 0.32, distance: 4 * size, target: middle(0), follow: told.followed >= 0 });
  const camera = home();

  const draw = (time, theme) => {
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight].map((n) => Math.max(1, Math.round(n * scale)));
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    if (camera.follow) camera.target = middle(time);
    const poses = Array.from({ length: told.bodies }, (_, b) => poseAt(time, b));
    const sunView = product(orthographic(2.2 * size, 0.1 * size, 9 * size),
      lookAt(add(camera.target, SUN, 5 * size), camera.target, [0, 1, 0]));
    gl.enable(gl.DEPTH_TEST);
    gl.bindFramebuffer(gl.FRAMEBUFFER, shadow.buffer);
    gl.viewport(0, 0, SHADOW, SHADOW);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    gl.useProgram(dark.handle);
    gl.uniformMatrix4fv(dark.at.view, false, sunView);
    for (const part of parts) if (!part.ground && part.colour[3] > 0.5) put(gl, dark, part, shape(part), poses);

    const far = Math.max(30 * size, 4 * camera.distance);
    const eye = eyeOf(camera);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, wide, high);
    gl.clearColor(...theme.haze, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(solid.handle);
    const lens = perspective(0.75, wide / high, 0.02 * size, 3 * far);
    gl.uniformMatrix4fv(solid.at.view, false, product(lens, lookAt(eye, camera.target, [0, 0, 1])));
    gl.uniformMatrix4fv(solid.at.sun_view, false, sunView);
    gl.uniform3fv(solid.at.eye, eye);
    gl.uniform3fv(solid.at.sun, SUN);
    gl.uniform3fv(solid.at.haze, theme.haze);
    gl.uniform3fv(solid.at.other, theme.groundB);
    gl.uniform1f(solid.at.far, far);
    gl.uniform1f(solid.at.cell, 2 ** Math.round(Math.log2(1.1 * size)));
    gl.uniform2f(solid.at.heights, told.ground?.low ?? 0, told.ground?.high ?? 0);
    gl.bindTexture(gl.TEXTURE_2D, shadow.texture);
    for (const part of [...parts].sort((a, b) => b.colour[3] - a.colour[3])) {
      const colour = part.ground ? [...theme.groundA, 1] : part.colour;
      gl.uniform4fv(solid.at.colour, colour);
      gl.uniform1i(solid.at.pattern, part.ground ? 1 : part.round ? 2 : 0);
      put(gl, solid, part, shape(part), poses);
    }
    return !gl.isContextLost() && gl.getError() === gl.NO_ERROR;
  };
  return { camera, draw, size, reset: () => Object.assign(camera, home()), free: () => gl.getExtension("WEBGL_lose_context") };
};

const eyeOf = ({ yaw, pitch, distance, target }) => add(target, [
  Math.cos(pitch) * Math.cos(yaw), Math.cos(pitch) * Math.sin(yaw), Math.sin(pitch),
], distance);

// What a geom is made of: a capsule is a tube with two spheres.
const partsOf = (geom, told) => {
  const [a, b, c] = geom.size;
  const one = (shape, make, size, up = 0, more = {}) => ({
    shape, make, size, body: geom.body, turn: geom.turn, colour: geom.colour,
    place: add(geom.place, turned(geom.turn, [0, 0, up])), ...more,
  });
  const round = { round: true };
  switch (geom.kind) {
    case 0: return [one("square", square, [a || ENDLESS, b || ENDLESS, 1], 0, { ground: true })];
    case HFIELD: return told.ground ? [one("field", () => field(told.ground), [1, 1, 1], 0, { ground: true })] : [];
    case 2: return [one("sphere", sphere, [a, a, a], 0, round)];
    case 3: return [one("tube", tube, [a, a, b]), one("sphere", sphere, [a, a, a], b), one("sphere", sphere, [a, a, a], -b)];
    case 4: return [one("sphere", sphere, [a, b, c], 0, round)];
    case 5: return [one("tube", tube, [a, a, b]), one("disc", disc, [a, a, 1], b), one("disc", disc, [a, a, 1], -b)];
    case 6: return [one("box", box, [a, b, c])];
    default: return [one(geom.mesh, () => soup(floats(geom.mesh)), [1, 1, 1])];
  }
};
const reachOf = ({ kind, size, mesh }) => {
  if (mesh) return [floats(mesh).reduce((most, x) => Math.max(most, Math.abs(x)), 0)];
  return kind === 3 ? [size[0] + size[1]] : size;
};

const put = (gl, { at }, part, shape, poses) => {
  const [position, rotation] = poses[part.body];
  gl.uniform4fv(at.turn, times(rotation, part.turn));
  gl.uniform3fv(at.place, add(position, turned(rotation, part.place)));
  gl.uniform3fv(at.size, part.size);
  gl.bindVertexArray(shape.array);
  gl.drawElements(gl.TRIANGLES, shape.count, gl.UNSIGNED_INT, 0);
};

const program = (gl, vertex, fragment) => {
  const handle = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(handle, shader);
  }
  ["point", "normal"].forEach((name, i) => gl.bindAttribLocation(handle, i, name));
  gl.linkProgram(handle);
  if (!gl.getProgramParameter(handle, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(handle) ?? "");
  const at = {};
  for (let i = 0; i < gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(handle, i);
    at[name] = gl.getUniformLocation(handle, name);
  }
  return { handle, at };
};

const upload = (gl, { points, normals, corners }) => {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  [points, normals].forEach((numbers, i) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(numbers), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(i);
    gl.vertexAttribPointer(i, 3, gl.FLOAT, false, 0, 0);
  });
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint32Array(corners), gl.STATIC_DRAW);
  return { array, count: corners.length };
};

const shadowMap = (gl) => {
  const texture = gl.createTexture(), buffer = gl.createFramebuffer();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, gl.DEPTH_COMPONENT24, SHADOW, SHADOW);
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
    [gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE], [gl.TEXTURE_COMPARE_FUNC, gl.LEQUAL],
  ]) gl.texParameteri(gl.TEXTURE_2D, name, value);
  gl.bindFramebuffer(gl.FRAMEBUFFER, buffer);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, texture, 0);
  return { texture, buffer };
};
