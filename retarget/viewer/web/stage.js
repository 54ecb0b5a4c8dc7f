// The drawn scene: meshcat's viewer, and one frame's numbers put onto its objects.
//
// meshcat's own animations interpolate transforms. Here vertices of the skinned hands and colours
// change with every frame too, so frames are applied to the three.js objects directly, from typed
// arrays; meshcat keeps the scene tree, the renderer and the orbit controls.

const THREE = MeshCat.THREE;
const BACKGROUND = {
  light: [[1.0, 1.0, 1.0], [0.88, 0.9, 0.93]],
  dark: [[0.17, 0.19, 0.22], [0.07, 0.08, 0.09]],
};

const parts = (path) => path.split("/").filter((name) => name);
// z up, as the robot has it, to y up, as three.js has it
const upright = ([x, y, z]) => new THREE.Vector3(x, z, -y);

class Stage {
  constructor(element, header, commands) {
    this.element = element;
    this.header = header;
    this.viewer = new MeshCat.Viewer(element);
    this.viewer.gui.domElement.remove(); // the overlay stands in for it
    const fit = this.viewer.set_3d_pane_size;
    // meshcat takes the window's height; the picture fills its box, which may be part of a page
    this.viewer.set_3d_pane_size = () => {
      const { clientWidth, clientHeight } = element;
      if (!clientWidth || !clientHeight) return;
      fit.call(this.viewer, clientWidth, clientHeight);
      this.widen();
    };
    const view = new DataView(commands.buffer, commands.byteOffset, commands.byteLength);
    for (let at = 0; at < commands.length; ) {
      const size = view.getUint32(at, true);
      this.viewer.handle_command_bytearray(commands.subarray(at + 4, at + 4 + size));
      at += 4 + size;
    }
    this.nodes = header.objects.map((path) => this.node(path));
    this.meshes = header.meshes.map((path) => this.mesh(path));
    for (const mesh of this.meshes) mesh.frustumCulled = false; // its bounds are the rest pose's
    this.lines = header.lines.map((path) => this.node(path));
    this.materials = header.coloured.map((path) => this.mesh(path).material);
    this.palette = header.colour_table.map(([r, g, b]) => new THREE.Color(r / 255, g / 255, b / 255));
    this.layers = new Map(header.layers.map((layer) => [parts(layer.path).join("-"), layer]));
    for (const [name, layer] of this.layers) this.show(name, layer.visible);
    new ResizeObserver(() => this.resize()).observe(element);
  }

  node(path) {
    return this.viewer.scene_tree.find(parts(path)).object;
  }

  mesh(path) {
    return this.viewer.scene_tree.find([...parts(path), "<object>"]).object;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width === this.width && height === this.height) {
      this.widen(); // cards may have come or gone
      this.viewer.set_dirty();
      return;
    }
    [this.width, this.height] = [width, height];
    this.viewer.set_3d_pane_size();
    this.draw(); // now: setting its size has emptied the canvas
  }

  draw() {
    this.viewer.render();
  }

  // Puts row r of the arrays onto the objects; vertices are offset + scale * number.
  apply(arrays, r, scale, offset) {
    const { poses, visible, vertices, colours, lengths } = arrays;
    this.nodes.forEach((node, i) => {
      const p = (r * this.nodes.length + i) * 7;
      node.position.set(poses[p], poses[p + 1], poses[p + 2]);
      node.quaternion.set(poses[p + 3], poses[p + 4], poses[p + 5], poses[p + 6]);
      node.visible = visible[r * this.nodes.length + i] === 1;
    });
    this.lines.forEach((node, i) => (node.scale.z = lengths[r * this.lines.length + i]));
    this.materials.forEach((material, i) =>
      material.color.copy(this.palette[colours[r * this.materials.length + i]]));
    let v = r * this.meshes.reduce((n, mesh) => n + mesh.geometry.attributes.position.array.length, 0);
    for (const mesh of this.meshes) {
      const { position } = mesh.geometry.attributes;
      for (let i = 0; i < position.array.length; i++, v++)
        position.array[i] = offset[i % 3] + scale * vertices[v];
      position.needsUpdate = true;
      mesh.geometry.computeVertexNormals();
    }
    this.follow();
    this.viewer.set_dirty();
  }

  show(name, visible) {
    const layer = this.layers.get(name);
    this.node(layer.path).visible = visible;
    this.viewer.set_dirty();
  }

  shown(name) {
    return this.node(this.layers.get(name).path).visible;
  }

  look(name) {
    const preset = this.header.presets.find((known) => known.name === name);
    if (!preset) return false;
    const { camera, controls } = this.viewer;
    this.followed = preset.follow && this.node(preset.follow);
    this.anchor = new THREE.Vector3(); // what the camera has been moved by
    this.preset = preset;
    camera.up.copy(upright(preset.up));
    camera.near = preset.near; // the head's camera sits inside the head
    camera.position.copy(upright(preset.position));
    controls.target.copy(upright(preset.target));
    this.follow();
    this.widen();
    this.viewer.set_dirty();
    return true;
  }

  // A view made for one shape of window shows at least as much in every other.
  widen() {
    if (!this.preset) return;
    const { camera } = this.viewer;
    const half = Math.tan((this.preset.fov_deg * Math.PI) / 360);
    const narrow = Math.max(1, (this.preset.aspect || 1) / camera.aspect);
    camera.fov = (Math.atan(half * narrow) * 360) / Math.PI;
    // a hand fills the picture: its middle goes to the middle of what the card at the top leaves
    const card = this.preset.follow && this.element.parentElement.querySelector(".rt-state");
    const { clientWidth: width, clientHeight: height } = this.element;
    camera.clearViewOffset();
    if (card) camera.setViewOffset(width, height, 0, -card.offsetHeight / 2, width, height);
    camera.updateProjectionMatrix();
  }

  // Camera and target move with the followed object; how the user has turned them stays.
  follow() {
    if (!this.followed || !this.followed.visible) return;
    const place = upright(this.followed.position.toArray());
    const step = place.clone().sub(this.anchor);
    this.anchor = place;
    this.viewer.camera.position.add(step);
    this.viewer.controls.target.add(step);
  }

  theme(name) {
    const [top, bottom] = BACKGROUND[name];
    this.viewer.set_property(["Background"], "top_color", top);
    this.viewer.set_property(["Background"], "bottom_color", bottom);
  }

  snapshot() {
    return this.viewer.capture_image();
  }
}
