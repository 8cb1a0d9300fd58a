// The scene behind the page of a house: three.js draws it when something has changed, not all the time.

import * as THREE from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';

const LONG = 0.25; // metres, of a frustum that is drawn
const MOST = 150; // frusta at once: more hide the house
const FOV = 50; // degrees, of the view from outside
const NEAR = 12; // pixels between a click and the camera that it means
const VIRIDIS = ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725'].map((c) => new THREE.Color(c));
// A store's cameras look along +z with y down, three's along -z with y up.
const FLIP = new THREE.Matrix4().makeScale(1, -1, -1);

export class Scene3D {
  constructor(stage) {
    this.stage = stage;
    this.renderer = new THREE.WebGLRenderer({ antialias: true });
    this.renderer.localClippingEnabled = true;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    stage.append(this.renderer.domElement);
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color('#f4f4f4');
    this.scene.add(new THREE.HemisphereLight('#ffffff', '#b0a898', 2.2));
    const sun = new THREE.DirectionalLight('#ffffff', 1.2);
    sun.position.set(3, 10, 5);
    this.scene.add(sun);
    this.camera = new THREE.PerspectiveCamera(FOV, 1, 0.05, 500);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener('change', () => this.draw());
    this.plane = new THREE.Plane(new THREE.Vector3(0, -1, 0), 1e3);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(stage);
    this.renderer.domElement.addEventListener('click', (event) => this.click(event));
    this.picked = () => {};
    this.resize();
  }

  close() {
    this.turning = null;
    this.watch.disconnect();
    this.controls.dispose();
    this.scene.traverse((thing) => { thing.geometry?.dispose(); thing.material?.map?.dispose(); thing.material?.dispose?.(); });
    this.renderer.dispose();
    this.renderer.domElement.remove();
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / Math.max(1, clientHeight);
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.renderer.render(this.scene, this.camera); });
  }

  /** Shows a GLB; resolves to its number of triangles. Its own lights are left out: the page lights evenly. */
  async house(buffer) {
    const { scene } = await new GLTFLoader().parseAsync(buffer, '');
    const lights = [];
    const plain = new Map();
    let triangles = 0;
    scene.traverse((thing) => {
      if (thing.isLight) lights.push(thing);
      if (!thing.isMesh) return;
      triangles += (thing.geometry.index ?? thing.geometry.attributes.position).count / 3;
      if (!plain.has(thing.material)) plain.set(thing.material, this.plain(thing.material));
      thing.material = plain.get(thing.material);
    });
    lights.forEach((light) => light.removeFromParent());
    this.model = scene;
    this.scene.add(scene);
    this.draw();
    return triangles;
  }

  /** A material that needs no physics. */
  plain(from) {
    return new THREE.MeshLambertMaterial({
      map: from.map, color: from.color, vertexColors: from.vertexColors, opacity: from.opacity,
      transparent: from.transparent, side: from.side, emissive: from.emissive, emissiveMap: from.emissiveMap,
      emissiveIntensity: Math.min(1, from.emissiveIntensity), clippingPlanes: [this.plane],
    });
  }

  /** Nothing above so many metres is drawn. */
  cut(height) { this.plane.constant = height; this.draw(); }

  /** Frusta of the cameras that it knows, evenly over them; returns how many it draws. */
  cameras() {
    const every = Math.max(1, Math.ceil(this.seen.length / MOST));
    this.drawn = this.seen.map((_, i) => i).filter((i) => i % every === 0);
    this.lines = this.frusta(this.drawn.map((i) => this.seen[i]), '#0072b2');
    this.scene.add(this.lines);
    this.draw();
    return this.drawn.length;
  }

  /** Knows cameras, as `camerasOf` gives them: one may be marked, or looked through. */
  take(cameras) {
    this.seen = Array.from({ length: cameras.count }, (_, i) => {
      const m = cameras.matrix(i);
      return new THREE.Matrix4().set(...m.subarray(0, 12), 0, 0, 0, 1);
    });
    this.lens = cameras;
  }

  frusta(matrices, colour) {
    const { fx, fy, cx, cy, width, height } = this.lens;
    const [f, g] = fx > 0 ? [fx, fy] : [width / 2, width / 2]; // no intrinsics: 90 degrees
    const [x, y] = fx > 0 ? [cx, cy] : [width / 2, height / 2];
    const corners = [[0, 0], [width, 0], [width, height], [0, height]]
      .map(([u, v]) => new THREE.Vector3((u - x) / f, (v - y) / g, 1).multiplyScalar(LONG));
    const eye = new THREE.Vector3();
    const points = corners.flatMap((corner, i) => [eye, corner, corner, corners[(i + 1) % 4]]);
    const all = matrices.flatMap((matrix) => points.map((point) => point.clone().applyMatrix4(matrix)));
    const material = new THREE.LineBasicMaterial({ color: colour, clippingPlanes: [this.plane] });
    return new THREE.LineSegments(new THREE.BufferGeometry().setFromPoints(all), material);
  }

  /** Marks one camera. */
  select(index) {
    if (!this.seen) return;
    this.marked?.removeFromParent();
    this.marked = this.frusta([this.seen[index]], '#cc0000');
    this.scene.add(this.marked);
    this.draw();
  }

  /** Puts the view where a camera was. */
  lookThrough(index) {
    if (!this.seen) return;
    const matrix = this.seen[index].clone().multiply(FLIP);
    this.camera.position.setFromMatrixPosition(matrix);
    this.camera.quaternion.setFromRotationMatrix(matrix);
    const ahead = new THREE.Vector3(0, 0, -1.5).applyMatrix4(matrix);
    this.controls.target.copy(ahead);
    this.camera.fov = THREE.MathUtils.radToDeg(2 * Math.atan(this.lens.height / 2 / (this.lens.fy || this.lens.width / 2)));
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  /** Cubes that frames saw, as the server's `coverage` gives them, coloured by the logarithm of how many. */
  coverage(table) {
    const [edge] = table;
    const count = (table.length - 3) / 4;
    const places = new Float32Array(3 * count);
    const colours = new Float32Array(3 * count);
    let most = 1;
    for (let i = 0; i < count; i++) most = Math.max(most, table[6 + 4 * i]);
    const colour = new THREE.Color();
    for (let i = 0; i < count; i++) {
      places.set(table.subarray(3 + 4 * i, 6 + 4 * i), 3 * i);
      const share = (Math.log(table[6 + 4 * i]) / Math.log(Math.max(2, most))) * (VIRIDIS.length - 1);
      const step = Math.min(VIRIDIS.length - 2, Math.floor(share));
      colour.lerpColors(VIRIDIS[step], VIRIDIS[step + 1], share - step).toArray(colours, 3 * i);
    }
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute('position', new THREE.BufferAttribute(places, 3));
    geometry.setAttribute('color', new THREE.BufferAttribute(colours, 3));
    const size = edge / Math.tan(THREE.MathUtils.degToRad(FOV / 2)); // three.js means it at 90 degrees
    const material = new THREE.PointsMaterial({ size, vertexColors: true, clippingPlanes: [this.plane] });
    this.points = new THREE.Points(geometry, material);
    this.scene.add(this.points);
    this.draw();
  }

  /** Looks at everything from above and aside. */
  frameAll() {
    const box = new THREE.Box3();
    for (const thing of [this.model, this.points, this.model ? null : this.lines]) if (thing) box.expandByObject(thing);
    if (box.isEmpty()) return;
    const middle = box.getCenter(new THREE.Vector3());
    const far = box.getSize(new THREE.Vector3()).length() * 0.75;
    this.controls.target.copy(middle);
    this.camera.fov = FOV;
    this.camera.updateProjectionMatrix();
    this.camera.position.copy(middle).add(new THREE.Vector3(0.3, 1, 0.65).normalize().multiplyScalar(far));
    this.controls.update();
    this.draw();
  }

  /** Turns around the middle, or stops; `told` hears how many frames a second are drawn. */
  turn(told) {
    if (this.turning) { this.turning = null; return; }
    const mine = this.turning = {};
    let [since, frames] = [performance.now(), 0];
    const step = (time) => {
      if (this.turning !== mine) return;
      this.camera.position.sub(this.controls.target).applyAxisAngle(new THREE.Vector3(0, 1, 0), 0.01).add(this.controls.target);
      this.camera.lookAt(this.controls.target);
      this.renderer.render(this.scene, this.camera);
      this.renderer.getContext().finish();
      frames += 1;
      if (time - since > 1000) { told(1000 * frames / (time - since)); [since, frames] = [time, 0]; }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  click(event) {
    const box = this.renderer.domElement.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [-1, NEAR];
    const point = new THREE.Vector3();
    (this.drawn ?? []).forEach((i) => {
      point.setFromMatrixPosition(this.seen[i]).project(this.camera);
      const far = Math.hypot((point.x + 1) / 2 * box.width - x, (1 - point.y) / 2 * box.height - y);
      if (point.z < 1 && far < least) [best, least] = [i, far];
    });
    this.picked(best, best < 0 ? this.named(x / box.width * 2 - 1, 1 - y / box.height * 2) : '');
  }

  /** Name and class of the thing under a point of the view. */
  named(x, y) {
    if (!this.model) return '';
    const ray = new THREE.Raycaster();
    ray.setFromCamera(new THREE.Vector2(x, y), this.camera);
    const hit = ray.intersectObject(this.model).find(({ point }) => point.y <= this.plane.constant);
    let thing = hit?.object;
    while (thing && !thing.userData.class) thing = thing.parent;
    return thing ? `${thing.userData.class}: ${thing.userData.name ?? thing.name}` : '';
  }
}
