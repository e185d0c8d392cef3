"""Operators of MXNet 1.9.1 as tools/compare_mxnet/declare_operators.py wrote them down."""
# ruff: noqa: E501

__all__ = ["ALIASES", "DECLARED"]

DECLARED = """
Activation data act_type:relu|sigmoid|softrelu|softsign|tanh
BatchNorm data gamma beta moving_mean moving_var eps:float=0.0010000000474974513 momentum:float=0.899999976 fix_gamma:bool=True use_global_stats:bool=False output_mean_var:bool=False axis:int=1 cudnn_off:bool=False min_calib_range:float?=None max_calib_range:float?=None
BlockGrad data
Cast data dtype:dtype
Concat *data num_args:int dim:int=1
Dropout data p:float=0.5 mode:always|training=training axes:shape=() cudnn_off:bool?=False
Embedding data weight input_dim:int output_dim:int dtype:dtype=float32 sparse_grad:bool=False
Flatten data
FullyConnected data weight bias num_hidden:int no_bias:bool=False flatten:bool=True
GroupNorm data gamma beta num_groups:int=1 eps:float=9.99999975e-06 output_mean_var:bool=False
InstanceNorm data gamma beta eps:float=0.00100000005
L2Normalization data eps:float=1.00000001e-10 mode:channel|instance|spatial=instance
LayerNorm data gamma beta axis:int=-1 eps:float=9.99999975e-06 output_mean_var:bool=False
LeakyReLU data gamma act_type:elu|gelu|leaky|prelu|rrelu|selu=leaky slope:float=0.25 lower_bound:float=0.125 upper_bound:float=0.333999991
LinearRegressionOutput data label grad_scale:float=1
LogisticRegressionOutput data label grad_scale:float=1
MAERegressionOutput data label grad_scale:float=1
MakeLoss data grad_scale:float=1 valid_thresh:float=0 normalization:batch|null|valid=null
Pad data mode:constant|edge|reflect pad_width:shape constant_value:float=0
Reshape data shape:shape=() reverse:bool=False target_shape:shape=() keep_highest:bool=False
SliceChannel data num_outputs:int axis:int=1 squeeze_axis:bool=False
SoftmaxActivation data mode:channel|instance=instance
SoftmaxOutput data label grad_scale:float=1 ignore_label:float=-1 multi_output:bool=False use_ignore:bool=False preserve_shape:bool=False normalization:batch|null|valid=null out_grad:bool=False smooth_alpha:float=0
SwapAxis data dim1:int=0 dim2:int=0
_arange start:float stop:float?=None step:float=1 repeat:int=1 infer_range:bool=False ctx:str= dtype:dtype=float32
_copy data
_div_scalar data scalar:float=1 is_int:bool=True
_equal lhs rhs
_equal_scalar data scalar:float=1 is_int:bool=True
_eye N:int M:int=0 k:int=0 ctx:str= dtype:dtype=float32
_full shape:shape?=None ctx:str= dtype:dtype=float32 value:float
_greater lhs rhs
_greater_equal lhs rhs
_greater_equal_scalar data scalar:float=1 is_int:bool=True
_greater_scalar data scalar:float=1 is_int:bool=True
_hypot lhs rhs
_hypot_scalar data scalar:float=1 is_int:bool=True
_lesser lhs rhs
_lesser_equal lhs rhs
_lesser_equal_scalar data scalar:float=1 is_int:bool=True
_lesser_scalar data scalar:float=1 is_int:bool=True
_linalg_gemm A B C transpose_a:bool=False transpose_b:bool=False alpha:float=1 beta:float=1 axis:int=-2
_linalg_gemm2 A B transpose_a:bool=False transpose_b:bool=False alpha:float=1 axis:int=-2
_linalg_syrk A transpose:bool=False alpha:float=1
_logical_and lhs rhs
_logical_and_scalar data scalar:float=1 is_int:bool=True
_logical_or lhs rhs
_logical_or_scalar data scalar:float=1 is_int:bool=True
_logical_xor lhs rhs
_logical_xor_scalar data scalar:float=1 is_int:bool=True
_maximum lhs rhs
_maximum_scalar data scalar:float=1 is_int:bool=True
_minimum lhs rhs
_minimum_scalar data scalar:float=1 is_int:bool=True
_minus_scalar data scalar:float=1 is_int:bool=True
_mod lhs rhs
_mod_scalar data scalar:float=1 is_int:bool=True
_mul_scalar data scalar:float=1 is_int:bool=True
_not_equal lhs rhs
_not_equal_scalar data scalar:float=1 is_int:bool=True
_ones shape:shape=() ctx:str= dtype:dtype=float32
_plus_scalar data scalar:float=1 is_int:bool=True
_power lhs rhs
_power_scalar data scalar:float=1 is_int:bool=True
_random_normal loc:float=0 scale:float=1 shape:shape?=None ctx:str= dtype:dtype?=None
_random_uniform low:float=0 high:float=1 shape:shape?=None ctx:str= dtype:dtype?=None
_rdiv_scalar data scalar:float=1 is_int:bool=True
_rminus_scalar data scalar:float=1 is_int:bool=True
_rmod_scalar data scalar:float=1 is_int:bool=True
_rpower_scalar data scalar:float=1 is_int:bool=True
_split_v2 data indices:shape axis:int=1 squeeze_axis:bool=False sections:int=0
_zeros shape:shape=() ctx:str= dtype:dtype=float32
abs data
add_n *args
amp_cast data dtype:dtype
arccos data
arccosh data
arcsin data
arcsinh data
arctan data
arctanh data
argmax data axis:int?=None keepdims:bool=False
argmax_channel data
argmin data axis:int?=None keepdims:bool=False
argsort data axis:int?=-1 is_ascend:bool=True dtype:dtype=float32
batch_dot lhs rhs transpose_a:bool=False transpose_b:bool=False forward_stype:csr|default|row_sparse?=None
batch_take a indices
broadcast_add lhs rhs
broadcast_axis data axis:shape=() size:shape=()
broadcast_div lhs rhs
broadcast_equal lhs rhs
broadcast_greater lhs rhs
broadcast_greater_equal lhs rhs
broadcast_hypot lhs rhs
broadcast_lesser lhs rhs
broadcast_lesser_equal lhs rhs
broadcast_like lhs rhs lhs_axes:shape?=None rhs_axes:shape?=None
broadcast_logical_and lhs rhs
broadcast_logical_or lhs rhs
broadcast_logical_xor lhs rhs
broadcast_maximum lhs rhs
broadcast_minimum lhs rhs
broadcast_mod lhs rhs
broadcast_mul lhs rhs
broadcast_not_equal lhs rhs
broadcast_power lhs rhs
broadcast_sub lhs rhs
broadcast_to data shape:shape=()
cbrt data
ceil data
clip data a_min:float a_max:float
cos data
cosh data
degrees data
diag data k:int=0 axis1:int=0 axis2:int=1
dot lhs rhs transpose_a:bool=False transpose_b:bool=False forward_stype:csr|default|row_sparse?=None
elemwise_add lhs rhs
elemwise_div lhs rhs
elemwise_mul lhs rhs
elemwise_sub lhs rhs
erf data
erfinv data
exp data
expand_dims data axis:int
expm1 data
fix data
floor data
gamma data
gammaln data
gather_nd data indices
hard_sigmoid data alpha:float=0.200000003 beta:float=0.5
log data
log10 data
log1p data
log2 data
log_softmax data axis:int=-1 temperature:float?=None dtype:dtype?=None use_length:bool?=False
logical_not data
max data axis:shape?=None keepdims:bool=False exclude:bool=False
mean data axis:shape?=None keepdims:bool=False exclude:bool=False
min data axis:shape?=None keepdims:bool=False exclude:bool=False
nanprod data axis:shape?=None keepdims:bool=False exclude:bool=False
nansum data axis:shape?=None keepdims:bool=False exclude:bool=False
negative data
norm data ord:int=2 axis:shape?=None out_dtype:dtype?=None keepdims:bool=False
one_hot indices depth:int on_value:float=1 off_value:float=0 dtype:dtype=float32
ones_like data
pick data index axis:int?=-1 keepdims:bool=False mode:clip|wrap=clip
prod data axis:shape?=None keepdims:bool=False exclude:bool=False
radians data
rcbrt data
reciprocal data
relu data
repeat data repeats:int axis:int?=None
reshape_like lhs rhs lhs_begin:int?=None lhs_end:int?=None rhs_begin:int?=None rhs_end:int?=None
reverse data axis:shape
rint data
round data
rsqrt data
scatter_nd data indices shape:shape
shape_array data
sigmoid data
sign data
sin data
sinh data
size_array data
slice data begin:shape end:shape step:shape=()
slice_axis data axis:int begin:int end:int?
slice_like data shape_like axes:shape=()
smooth_l1 data scalar:float
softmax data length axis:int=-1 temperature:float?=None dtype:dtype?=None use_length:bool?=False
softmax_cross_entropy data label
softmin data axis:int=-1 temperature:float?=None dtype:dtype?=None use_length:bool?=False
softsign data
sort data axis:int?=-1 is_ascend:bool=True
sqrt data
square data
squeeze data axis:shape?=None
stack *data axis:int=0 num_args:int
sum data axis:shape?=None keepdims:bool=False exclude:bool=False
take a indices axis:int=0 mode:clip|raise|wrap=clip
tan data
tanh data
tile data reps:shape
topk data axis:int?=-1 k:int=1 ret_typ:both|indices|mask|value=indices is_ascend:bool=False dtype:dtype=float32
transpose data axes:shape=()
trunc data
where condition x y
zeros_like data
"""
"""An operator a line: its name, arrays (``*``: any number), and other arguments with kind and default."""

ALIASES = """
ElementWiseSum add_n
Softmax SoftmaxOutput
_Div elemwise_div
_DivScalar _div_scalar
_Equal _equal
_EqualScalar _equal_scalar
_Greater _greater
_GreaterEqualScalar _greater_equal_scalar
_GreaterScalar _greater_scalar
_Greater_Equal _greater_equal
_Hypot _hypot
_HypotScalar _hypot_scalar
_Lesser _lesser
_LesserEqualScalar _lesser_equal_scalar
_LesserScalar _lesser_scalar
_Lesser_Equal _lesser_equal
_LogicalAndScalar _logical_and_scalar
_LogicalOrScalar _logical_or_scalar
_LogicalXorScalar _logical_xor_scalar
_Logical_And _logical_and
_Logical_Or _logical_or
_Logical_Xor _logical_xor
_Maximum _maximum
_MaximumScalar _maximum_scalar
_Minimum _minimum
_MinimumScalar _minimum_scalar
_Minus elemwise_sub
_MinusScalar _minus_scalar
_Mod _mod
_ModScalar _mod_scalar
_Mul elemwise_mul
_MulScalar _mul_scalar
_NotEqualScalar _not_equal_scalar
_Not_Equal _not_equal
_Plus elemwise_add
_PlusScalar _plus_scalar
_Power _power
_PowerScalar _power_scalar
_RDivScalar _rdiv_scalar
_RMinusScalar _rminus_scalar
_RModScalar _rmod_scalar
_RPowerScalar _rpower_scalar
_add elemwise_add
_div elemwise_div
_minus elemwise_sub
_mul elemwise_mul
_plus elemwise_add
_sub elemwise_sub
broadcast_axes broadcast_axis
broadcast_minus broadcast_sub
broadcast_plus broadcast_add
cast Cast
choose_element_0index pick
concat Concat
crop slice
flatten Flatten
flip reverse
identity _copy
linalg_gemm _linalg_gemm
linalg_gemm2 _linalg_gemm2
linalg_syrk _linalg_syrk
max_axis max
min_axis min
normal _random_normal
pad Pad
random_normal _random_normal
random_uniform _random_uniform
reshape Reshape
split SliceChannel
stop_gradient BlockGrad
sum_axis sum
swapaxes SwapAxis
uniform _random_uniform
"""
"""Other names of the same operators."""
