"""POST /v1/models/{model}/predict."""

from __future__ import annotations

from fastapi import BackgroundTasks

from backend.deps import Me, Soi, guarded_router
from backend.errors import NotFound
from backend.inference.schemas import PredictBody, Prediction
from backend.inference.service import Inference, Served

router = guarded_router("/v1/models/{model}/predict", "predict", tags=["predict"])


@router.post("")
async def predict(model: str, body: PredictBody, soi: Soi, me: Me, after: BackgroundTasks) -> Prediction:
    """The champion's answer, logged before it leaves; challengers in shadow run after it has left."""
    if not me.may_use_model(model):
        raise NotFound("there is no such model", details={"model": model})
    served = await soi.inference.predict(model, body)
    if served.plan.shadows:
        after.add_task(_shadows, soi.inference, served)
    return served.prediction


async def _shadows(inference: Inference, served: Served) -> None:
    """In the event loop: it only puts into a queue, so a thread would cost more than it does."""
    inference.run_shadows(served)
