"""TRL's own GRPOTrainer on the benchmark's work, on the library's own model; what is ours in here is a stopwatch.

With zoom, random weights write no tool calls that TRL's loop could follow, so the second turn is made here: as in that
loop, from the token ids of the first turn, with all images, by TRL's own method that samples a turn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.local_policy import decoding_for
from loupe.core.model.processors import load_processor
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.core.sampling import GREEDY
from loupe.grpo.benchmark.ours import trainer_settings
from loupe.grpo.benchmark.work import CROP_QUESTION, BenchWork, crop_of, make_images, make_protocol
from loupe.grpo.stopwatch import Stopwatch


def build(work: BenchWork, folder: Path, out: Path) -> GRPOTrainer:
    """A trainer over the model in `folder`; it writes below `out`. All weights in float32 are trained."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    processor = load_processor(folder, model_type="qwen2_5_vl")
    protocol, images = make_protocol(work, processor), make_images(work)
    decoding = decoding_for(processor, max_new_tokens=work.tokens, sampling=GREEDY, model=model)
    arguments: Any = GRPOConfig(
        output_dir=str(out),
        max_completion_length=work.tokens,
        generation_kwargs={"suppress_tokens": [*decoding.suppress_ids, *decoding.stop_ids]},
        mask_truncated_completions=False,
        logging_steps=1,
        seed=work.seed,
        **trainer_settings(work),
    )
    content = [{"type": "image"}, {"type": "text", "text": protocol.question}]
    rows = datasets.Dataset.from_dict(
        {"prompt": [[{"role": "user", "content": content}]] * len(images), "image": images}
    ).cast_column("image", datasets.Image())
    return _StockTrainer(
        bench=work,
        model=model,
        args=arguments,
        processing_class=processor,
        reward_funcs=_random_reward,
        train_dataset=rows,
    )


def _random_reward(completions: Sequence[Any], **_: Any) -> list[float]:
    return np.random.default_rng(len(completions)).random(len(completions)).tolist()


class _StockTrainer(GRPOTrainer):
    # TRL fills these in; the types that it gives them are those of before.
    processing_class: Any
    tools: Any

    def __init__(self, *, bench: BenchWork, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bench = bench
        self.stopwatch = Stopwatch(self.accelerator.device)
        if bench.zoom:
            # TRL sends images of later turns through the model only for a trainer with tools.
            self.tools = [crop_of]

    def _generate(self, prompts: list[Any]) -> Any:
        with self.stopwatch.time("sampling"):
            return self._two_turns(prompts) if self.bench.zoom else super()._generate(prompts)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.stopwatch.time("rewards"):
            return super()._calculate_rewards(*args, **kwargs)

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        with self.stopwatch.time("policy" if torch.is_grad_enabled() else "reference"):
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        started = self.stopwatch.now()
        loss = super().training_step(model, inputs, num_items_in_batch)
        for name, seconds in self.stopwatch.split(started).items():
            self._metrics["train"][name].append(seconds)
        return loss

    def _two_turns(self, prompts: list[Any]) -> Any:
        prompt_ids, images, fields = self._tokenize_without_tools(prompts)
        first, _ = self._generate_single_turn(prompt_ids, images, fields, self.num_generations)
        crops = [crop_of(shown[0], number) for number, shown in enumerate(images)]
        asked = self._crop_turn(images[0][0], crops[0])
        whole = [[*prompt, *said, *asked] for prompt, said in zip(prompt_ids, first, strict=True)]
        shown = [image for own, crop in zip(images, crops, strict=True) for image in (*own, crop)]
        made = dict(self.processing_class.image_processor(images=shown, return_tensors="pt"))
        second, _ = self._generate_single_turn(whole, images, made, self.num_generations, has_tool_images=True)
        completions = [[*said, *asked, *then] for said, then in zip(first, second, strict=True)]
        masks = [[1] * len(said) + [0] * len(asked) + [1] * len(then) for said, then in zip(first, second, strict=True)]
        texts = [[{"role": "assistant", "content": ""}] for _ in first]
        every = [[*own, crop] for own, crop in zip(images, crops, strict=True)]
        return prompt_ids, completions, masks, texts, None, {}, every, [[crop] for crop in crops]

    def _tokenize_without_tools(self, prompts: list[Any]) -> Any:
        tools, self.tools = self.tools, None
        try:
            return self._tokenize_prompts(prompts)
        finally:
            self.tools = tools

    def _crop_turn(self, image: Image.Image, crop: Image.Image) -> list[int]:
        """Ids between the two completions: the same for all, since all crops have one size."""
        turns = [UserTurn((image,), ""), UserTurn((crop,), CROP_QUESTION)]
        encoded = ChatEncoder(self.processing_class).encode(
            Conversation("", "", turns, [Reply("", token_ids=(self.processing_class.tokenizer.pad_token_id,))])
        )
        return encoded.input_ids[encoded.wrote.index(True) + 1 :]
