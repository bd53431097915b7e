"""PersistentVolumeClaims of the class `standard`: one folder a claim, bound at once, grown as asked, removed or kept.

A folder has no size: the capacity is what was asked for, and only says so. Claims of another class stay Pending, with
an event that says what to write.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_local.controllers.base import Writer, enqueue_self
from kopfka_local.kinds import CLAIMS, PODS, STORAGE_CLASSES, VOLUMES, Key, Object, deleting, key_of, name_of, uid_of
from kopfka_local.podstate import is_ended
from kopfka_local.quantities import parse_quantity
from kopfka_local.watching import Worker

if TYPE_CHECKING:
    from kopfka_local.recorder import Recorder
    from kopfka_local.watching import Informers

CLASS = "standard"
PROVISIONER = "kopfka.io/folder"
PROTECTION = "kubernetes.io/pvc-protection"

STANDARD_CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
    "allowVolumeExpansion": True,
}


def volume_for(claim: Object, storage_class: Object, folder: Path) -> Object:
    """Return the volume that is made for a claim. Pure."""
    namespace, name = key_of(claim)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{uid_of(claim)}", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": requested(claim)},
            "accessModes": claim["spec"].get("accessModes") or ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": name_of(storage_class),
            "volumeMode": "Filesystem",
            "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name,
                "uid": uid_of(claim),
            },
        },
    }  # fmt: skip


def requested(claim: Object) -> str:
    """Return the storage a claim asks for."""
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "1Gi"))


def grows(claim: Object) -> bool:
    """Tell whether a bound claim asks for more than it has. Pure."""
    has = ((claim.get("status") or {}).get("capacity") or {}).get("storage", "0")
    return parse_quantity(requested(claim)) > parse_quantity(has)


class Claims:
    """Binds claims to folders, and cleans up behind them."""

    def __init__(self, writer: Writer, informers: Informers, recorder: Recorder, folder: Path) -> None:
        self._writer = writer
        self._recorder = recorder
        self._folder = folder
        self._claims, self._volumes = informers[CLAIMS], informers[VOLUMES]
        self._classes, self._pods = informers[STORAGE_CLASSES], informers[PODS]
        self.worker = Worker("claim", self.reconcile)
        enqueue_self(self._claims, self.worker)
        self._volumes.on_change(self._volume_changed)
        self._pods.on_change(self._pod_changed)

    def _volume_changed(self, before: Object | None, after: Object | None) -> None:
        reference = (after or before or {})["spec"].get("claimRef") or {}
        self.worker.add((reference.get("namespace", ""), reference.get("name", "")))

    def _pod_changed(self, before: Object | None, after: Object | None) -> None:
        if after is not None and not is_ended(after):
            return
        for name in _claims_of(before or after or {}):
            self.worker.add(((before or after or {})["metadata"]["namespace"], name))

    async def reconcile(self, key: Key) -> float | None:
        """Bind, grow or let go of one claim, and see to the volumes that were made for it."""
        claim = self._claims.get(*key)
        await self._reclaim(key, claim)
        if claim is None:
            return None
        if deleting(claim):
            await self._let_go(claim)
            return None
        finalizers = claim["metadata"].get("finalizers") or []
        if PROTECTION not in finalizers:
            claim = await self._writer.patch(CLAIMS, claim, {"metadata": {"finalizers": [*finalizers, PROTECTION]}})
        name = claim["spec"].get("storageClassName")
        if name is None:
            claim = await self._writer.patch(CLAIMS, claim, {"spec": {"storageClassName": CLASS}})
            name = CLASS
        volume_name = claim["spec"].get("volumeName")
        if volume_name and self._volumes.get("", volume_name) is None:
            await self._writer.status(CLAIMS, claim, {"phase": "Lost"})
            return None
        if not volume_name:
            storage_class = self._classes.get("", name)
            if storage_class is None or storage_class.get("provisioner") != PROVISIONER:
                message = f'no storage class "{name}" here: write storageClassName: {CLASS}, or leave it out'
                await self._recorder.record(
                    claim, "v1", "PersistentVolumeClaim", "ProvisioningFailed", message, warning=True
                )
                await self._writer.status(CLAIMS, claim, {"phase": "Pending"})
                return None
            claim = await self._bind(claim, storage_class)
        await self._report(claim)
        return None

    async def _bind(self, claim: Object, storage_class: Object) -> Object:
        folder = self._folder / f"pvc-{uid_of(claim)}"
        folder.mkdir(parents=True, exist_ok=True)
        volume = volume_for(claim, storage_class, folder)
        known = self._volumes.get("", name_of(volume))
        if known is None:
            known = await self._writer.create(VOLUMES, volume)
        await self._writer.status(VOLUMES, known, {"phase": "Bound"})
        return await self._writer.patch(CLAIMS, claim, {"spec": {"volumeName": name_of(volume)}})

    async def _report(self, claim: Object) -> None:
        volume = self._volumes.get("", claim["spec"]["volumeName"])
        assert volume is not None
        reference = volume["spec"].get("claimRef") or {}
        if reference and reference.get("uid") not in (None, uid_of(claim)):
            await self._writer.status(CLAIMS, claim, {"phase": "Pending"})
            return
        if not reference.get("uid"):  # bound by hand to a volume that was kept
            namespace, name = key_of(claim)
            reference = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": uid_of(claim)}
            volume = await self._writer.patch(VOLUMES, volume, {"spec": {"claimRef": reference}})
        if (volume.get("status") or {}).get("phase") != "Bound":
            await self._writer.status(VOLUMES, volume, {"phase": "Bound"})
        capacity = volume["spec"]["capacity"]
        if grows(claim):
            capacity = {"storage": requested(claim)}
            if volume["spec"]["capacity"] != capacity:
                await self._writer.patch(VOLUMES, volume, {"spec": {"capacity": capacity}})
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"].get("accessModes") or ["ReadWriteOnce"],
            "capacity": capacity,
        }
        await self._writer.status(CLAIMS, claim, status)

    async def _let_go(self, claim: Object) -> None:
        namespace, name = key_of(claim)
        users = [pod for pod in self._pods.all(namespace) if not is_ended(pod) and name in _claims_of(pod)]
        finalizers = claim["metadata"].get("finalizers") or []
        if not users and PROTECTION in finalizers:
            left = [one for one in finalizers if one != PROTECTION]
            await self._writer.patch(CLAIMS, claim, {"metadata": {"finalizers": left}})

    async def _reclaim(self, key: Key, claim: Object | None) -> None:
        for volume in self._volumes.all():
            reference = volume["spec"].get("claimRef") or {}
            if (reference.get("namespace"), reference.get("name")) != key or not reference.get("uid"):
                continue
            if claim is not None and reference["uid"] == uid_of(claim):
                continue
            if volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
                await self._writer.status(VOLUMES, volume, {"phase": "Released"})
                continue
            await self._writer.delete(VOLUMES, volume)
            folder = Path(volume["spec"].get("hostPath", {}).get("path", ""))
            if folder.parent == self._folder:  # never what someone else's volume points at
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _claims_of(pod: Object) -> list[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
