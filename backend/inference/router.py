"""/v1/models/{model}/predict: asking a model, and what became of a request that a person answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import BackgroundTasks, Query, Response

from backend.auth.rules import Principal
from backend.deps import Me, Soi, guarded_router
from backend.errors import NotFound
from backend.inference.schemas import PredictBody, Prediction
from backend.inference.service import Inference, Served

router = guarded_router("/v1/models/{model}/predict", "predict", tags=["predict"])


@router.post("", responses={202: {"model": Prediction}})
async def predict(
    model: str, body: PredictBody, soi: Soi, me: Me, after: BackgroundTasks, response: Response
) -> Prediction:
    """The champion's answer, logged before it leaves; 202 and "pending" where a person decides. Shadows run after."""
    _check(me, model)
    served = await soi.inference.predict(model, body)
    if served.plan.shadows:
        after.add_task(_shadows, soi.inference, served)
    return _told(served.prediction, response)


@router.get("/{answer_id}", responses={202: {"model": Prediction}})
async def get_answer(
    model: str,
    answer_id: str,
    soi: Soi,
    me: Me,
    response: Response,
    wait_s: Annotated[float, Query(ge=0, le=60)] = 0,
) -> Prediction:
    """What became of a request that a person answers; 202 as long as it is pending, for which `wait_s` waits."""
    _check(me, model)
    return _told(await soi.inference.look_up(model, answer_id, wait_s), response)


def _check(me: Principal, model: str) -> None:
    if not me.may_use_model(model):
        raise NotFound("there is no such model", details={"model": model})


def _told(prediction: Prediction, response: Response) -> Prediction:
    response.status_code = 202 if prediction.status == "pending" else 200
    return prediction


async def _shadows(inference: Inference, served: Served) -> None:
    """In the event loop: it only puts into a queue, so a thread would cost more than it does."""
    inference.run_shadows(served)
