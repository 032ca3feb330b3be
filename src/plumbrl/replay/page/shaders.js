const VERTEX = `#version 300 es
in vec3 point; in vec3 normal;
uniform vec4 turn; uniform vec3 place; uniform vec3 size; uniform mat4 view; uniform mat4 sun_view;
out vec3 v_own; out vec3 v_point; out vec3 v_normal; out vec4 v_sun;
vec3 turned(vec4 q, vec3 v) { return v + 2.0 * cross(q.yzw, cross(q.yzw, v) + q.x * v); }
void main() {
  v_own = point;
  v_point = turned(turn, point * size) + place;
  v_normal = turned(turn, normal / size);
  v_sun = sun_view * vec4(v_point, 1.0);
  gl_Position = view * vec4(v_point, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float; precision highp sampler2DShadow;
in vec3 v_own; in vec3 v_point; in vec3 v_normal; in vec4 v_sun;
uniform vec4 colour; uniform vec3 other; uniform vec3 haze; uniform vec3 eye; uniform vec3 sun;
uniform int pattern; uniform float cell; uniform float far; uniform vec2 heights;
uniform sampler2DShadow shadow;
out vec4 shown;
// Checkers averaged over the pixel (Quilez, "filtering procedural textures").
float checked(vec2 p) {
  vec2 w = max(fwidth(p), 1e-4);
  vec2 i = 2.0 * (abs(fract((p - 0.5 * w) * 0.5) - 0.5) - abs(fract((p + 0.5 * w) * 0.5) - 0.5)) / w;
  return 0.5 - 0.5 * i.x * i.y;
}
float lit(float slope) {
  vec3 at = v_sun.xyz / v_sun.w * 0.5 + 0.5;
  if (any(lessThan(at, vec3(0.0))) || any(greaterThan(at, vec3(1.0)))) return 1.0;
  float sum = 0.0;
  for (int i = -1; i <= 1; i++) for (int j = -1; j <= 1; j++) {
    sum += texture(shadow, vec3(at.xy + vec2(i, j) / 1024.0, at.z - 0.0015 - 0.006 * (1.0 - slope)));
  }
  return sum / 9.0;
}
void main() {
  vec3 n = normalize(v_normal), to_eye = normalize(eye - v_point);
  if (pattern != 1 && dot(n, to_eye) < 0.0) n = -n;
  vec3 base = colour.rgb;
  if (pattern == 1) {
    base = mix(base, other, checked(v_point.xy / cell));
    if (heights.y > heights.x) base *= 0.86 + 0.22 * (v_point.z - heights.x) / (heights.y - heights.x);
  }
  if (pattern == 2) {
    vec3 s = clamp(v_own / max(fwidth(v_own), 1e-4), -1.0, 1.0);
    base *= 1.0 + 0.14 * s.x * s.y * s.z;
  }
  float facing = max(dot(n, sun), 0.0);
  float sunlight = facing * lit(facing);
  float ambient = (pattern == 1 ? 0.46 : 0.54) + 0.1 * n.z;
  vec3 light = base * (ambient + 0.56 * sunlight);
  if (pattern != 1) {
    light += 0.16 * sunlight * pow(max(dot(n, normalize(sun + to_eye)), 0.0), 40.0);
    light += 0.06 * pow(1.0 - max(dot(n, to_eye), 0.0), 3.0);
  }
  float fog = smoothstep(0.35 * far, far, length(eye - v_point));
  shown = vec4(mix(light, haze, pattern == 1 ? fog : 0.0), colour.a);
}`;

const DEPTH = `#version 300 es
precision highp float;
void main() {}`;
